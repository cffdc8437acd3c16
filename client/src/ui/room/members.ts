/*
 * How the people of a room are put in order and counted in words. Pure.
 */

/** `1 member`, `14 members`, `5,000 members`. */
export function membersText(count: number): string {
  return `${count.toLocaleString()} ${count === 1 ? 'member' : 'members'}`;
}

/** A row of the member list: a heading, or somebody. */
export type MemberRow = { kind: 'heading'; key: string; label: string } | { kind: 'member'; key: string; name: string };

/** Who is here first, then the others, each under a heading with their number; all together while nobody tells who is here. */
export function memberRows(names: readonly string[], isOnline: (name: string) => boolean | undefined): MemberRow[] {
  const here: MemberRow[] = [];
  const away: MemberRow[] = [];
  const unknown: MemberRow[] = [];
  for (const name of names) {
    const online = isOnline(name);
    const rows = online === undefined ? unknown : online ? here : away;
    rows.push({ kind: 'member', key: `member ${name}`, name });
  }
  const under = (label: string, rows: MemberRow[]): MemberRow[] =>
    rows.length > 0 ? [{ kind: 'heading', key: label, label: `${label} · ${rows.length.toLocaleString()}` }, ...rows] : [];
  return [...under('Here', here), ...under('Away', away), ...under('Members', unknown)];
}
