/** Where there is more to read: the package of dfctl brings the pages along. */
export function page(name: string): string {
  return `${name} (in docs/, or /usr/share/doc/dragonfly-dfctl)`;
}
