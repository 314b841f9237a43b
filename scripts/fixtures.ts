/** Makes what several tests share and take minutes to make, before they start side by side. */
import { composeOfSid, debianRoot, dockerOfSid, newestErofsUtils } from "../test/support/debian.ts";

await debianRoot();
await newestErofsUtils();
await composeOfSid();
await dockerOfSid();
