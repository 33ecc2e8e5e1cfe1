/** v1's error codes; the shell sees them modulo 256 (protocol §4). */
export const ExitCode = { prepare: 1102 % 256, download: 1104 % 256, needAuth: 608 % 256 } as const;
