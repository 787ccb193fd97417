/** Which of two events came first. No two of a history have one number. */

interface Numbered {
  readonly seq: number;
}

/** Nothing comes after what never was. */
export function isAfter(event: Numbered, moment: Numbered | undefined): boolean {
  return moment !== undefined && event.seq > moment.seq;
}
