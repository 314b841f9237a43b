import type * as BunFfi from "bun:ffi";

/**
 * What a terminal is asked, straight from the C library: `process.stdout` and `process.stdin` cost 13 ms of a
 * command's start at their first touch, node:tty 4 ms, this half a millisecond (Bun 1.4.5).
 */
export interface Terminals {
  isTerminal(fd: number): boolean;
  /** Undefined where the descriptor is no terminal or does not know its size. */
  sizeOf(fd: number): { readonly columns: number; readonly rows: number } | undefined;
  /** Keys arrive as they are pressed, unechoed, Ctrl-C too. Returns what puts it back; harmless to call twice. */
  makeRaw(fd: number): () => void;
  /** Lines as before, but unechoed: for passwords. */
  hideInput(fd: number): () => void;
}

// asm-generic/ioctls.h; the same on x86-64 and arm64, which is where Bun runs. Both are little-endian.
const TCGETS = 0x5401;
const TCSETSW = 0x5403;
const TIOCGWINSZ = 0x5413;
/** struct termios of the kernel: four 32-bit flag words, c_line, 19 control characters. */
const TERMIOS_BYTES = 64;
const IFLAG = 0;
const OFLAG = 4;
const CFLAG = 8;
const LFLAG = 12;
const VTIME = 17 + 5;
const VMIN = 17 + 6;
// asm-generic/termbits.h, in octal as there.
const RAW_IFLAG_OFF = 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o2000;
const OPOST = 0o1;
const CSIZE_PARENB = 0o60 | 0o400;
const CS8 = 0o60;
const ISIG = 0o1;
const ICANON = 0o2;
const ECHO = 0o10;
const ECHONL = 0o100;
const IEXTEN = 0o100000;

/** Opens the C library; about half a millisecond. */
export function openTerminals(): Terminals {
  const { dlopen, ptr } = process.getBuiltinModule("bun:ffi") as unknown as typeof BunFfi;
  const libc = dlopen("libc.so.6", { ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" } });
  const ioctl = (fd: number, request: number, bytes: Uint8Array): boolean =>
    libc.symbols.ioctl(fd, request, ptr(bytes)) === 0;

  const change = (fd: number, edit: (termios: DataView) => void): (() => void) => {
    const before = new Uint8Array(TERMIOS_BYTES);
    if (!ioctl(fd, TCGETS, before)) return () => {};
    const after = before.slice();
    edit(new DataView(after.buffer));
    ioctl(fd, TCSETSW, after);
    return () => void ioctl(fd, TCSETSW, before);
  };
  const off = (view: DataView, at: number, bits: number): void =>
    view.setUint32(at, view.getUint32(at, true) & ~bits, true);

  return {
    isTerminal: (fd) => ioctl(fd, TCGETS, new Uint8Array(TERMIOS_BYTES)),
    sizeOf(fd) {
      const winsize = new Uint16Array(4);
      if (!ioctl(fd, TIOCGWINSZ, new Uint8Array(winsize.buffer))) return undefined;
      const [rows = 0, columns = 0] = winsize;
      return rows > 0 && columns > 0 ? { columns, rows } : undefined;
    },
    makeRaw: (fd) =>
      change(fd, (termios) => {
        off(termios, IFLAG, RAW_IFLAG_OFF);
        off(termios, OFLAG, OPOST);
        off(termios, LFLAG, ECHO | ECHONL | ICANON | ISIG | IEXTEN);
        off(termios, CFLAG, CSIZE_PARENB);
        termios.setUint32(CFLAG, termios.getUint32(CFLAG, true) | CS8, true);
        termios.setUint8(VMIN, 1);
        termios.setUint8(VTIME, 0);
      }),
    hideInput: (fd) => change(fd, (termios) => off(termios, LFLAG, ECHO)),
  };
}
