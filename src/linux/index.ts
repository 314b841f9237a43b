export { type Interpreter, programHeads, readInterpreters, runsNatively } from "./binfmt.ts";
export { forgetFlows } from "./conntrack.ts";
export {
  type FileLook,
  type FileRoll,
  type FileStamp,
  type FileState,
  fileRoll,
  openFileLook,
} from "./file-look.ts";
export { fileTypeOf, isGone } from "./file-type.ts";
export { type FilesystemOption, fsopenMount, type MountAttribute, reconfigureFilesystem } from "./fsopen.ts";
export { holdPort } from "./hold-port.ts";
export {
  type IdMap,
  type IdRange,
  insideId,
  mountIdMapped,
  openUserNamespace,
  outsideId,
} from "./id-map.ts";
export { mknod, S_IF, utimensNs } from "./inode.ts";
export { clearInodeFlags } from "./inode-flags.ts";
export { type Isal, type IsalInflater, openIsal } from "./isal.ts";
export {
  type IsalBlock,
  type IsalDeflater,
  type IsalLevel,
  isalBound,
  openIsalDeflater,
} from "./isal-deflate.ts";
export { errnoName, failedWith } from "./libc.ts";
export { type FileLock, lockFile } from "./lock.ts";
export { type LoopDevice, openLoop } from "./loop.ts";
export { MNT, MS, mount, umount } from "./mount.ts";
export { type MountEntry, parseMountinfo } from "./mountinfo.ts";
export {
  attribute,
  NETLINK,
  type NetlinkMessage,
  type NetlinkReply,
  type NetlinkSocket,
  NLM,
  nested,
  openNetlink,
  text,
} from "./netlink.ts";
export { createNetworkNamespace, type NetworkNamespace, openNetworkNamespace } from "./netns.ts";
export { changeElements, concatenated, countRules, rulesetGeneration, type SetElement } from "./nftables.ts";
export { type OpenInRootOptions, openInRoot } from "./open-in-root.ts";
export type { Path } from "./path.ts";
export { openPidfd } from "./pidfd.ts";
export { openPipe, type Pipe, unreadBytes } from "./pipe.ts";
export { type ResourceLimit, resourceLimits } from "./rlimit.ts";
export * as rtnetlink from "./rtnetlink.ts";
export { sealProgram } from "./sealed-file.ts";
export { type DataRun, nextDataRun } from "./seek-data.ts";
export { connectSeqpacket } from "./seqpacket.ts";
export { sizeOfTree, type TreeUsage, usageOfTree } from "./size-of-tree.ts";
export { lgetxattr, lgetxattrs, lremovexattr, lsetxattr } from "./xattr.ts";
