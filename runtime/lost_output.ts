/**
 * Has a program bear it when nobody takes its output: whoever read it may have ended (`dfctl tasks | head`), the
 * journal may have been started anew, the disk behind it may be full. A daemon goes on without. What was asked for and
 * could not be printed is said on standard error, and the program ends with 2; a reader who has enough is no fault.
 */
export function bearLostOutput(program: string): void {
  let isSaid = false;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || isSaid) return;
    isSaid = true;
    process.stderr.write(`${program}: cannot write to standard output: ${error.message}\n`);
    process.exitCode = 2;
  });
  // There is no other place where to say it.
  process.stderr.on("error", () => {});
}
