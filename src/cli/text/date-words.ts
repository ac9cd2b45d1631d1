/** The words that occur in dates, in lower case. Source: the tables of gnulib's parse_datetime. */

/** Accepted spellings of each month, by its first three letters, from January on. */
export const MONTHS: Readonly<Record<string, readonly string[]>> = {
  jan: ['jan', 'january'],
  feb: ['feb', 'february'],
  mar: ['mar', 'march'],
  apr: ['apr', 'april'],
  may: ['may'],
  jun: ['jun', 'june'],
  jul: ['jul', 'july'],
  aug: ['aug', 'august'],
  sep: ['sep', 'sept', 'september'],
  oct: ['oct', 'october'],
  nov: ['nov', 'november'],
  dec: ['dec', 'december'],
}

/** Accepted spellings of each weekday, from Sunday on. */
export const WEEKDAYS: readonly (readonly string[])[] = [
  ['sunday', 'sun'],
  ['monday', 'mon'],
  ['tuesday', 'tue', 'tues'],
  ['wednesday', 'wed', 'wednes'],
  ['thursday', 'thu', 'thur', 'thurs'],
  ['friday', 'fri'],
  ['saturday', 'sat'],
]

/** Units of relative times in the singular, each as a multiple of a base unit. */
export const UNITS: Readonly<Record<string, readonly ['year' | 'month' | 'day' | 'second', number]>> = {
  year: ['year', 1],
  month: ['month', 1],
  fortnight: ['day', 14],
  week: ['day', 7],
  day: ['day', 1],
  hour: ['second', 3600],
  minute: ['second', 60],
  min: ['second', 60],
  second: ['second', 1],
  sec: ['second', 1],
}

/** Words that stand for a number before a unit or weekday. There is no `second`, which is a unit. */
export const ORDINALS: Readonly<Record<string, number>> = {
  last: -1,
  this: 0,
  next: 1,
  first: 1,
  third: 3,
  fourth: 4,
  fifth: 5,
  sixth: 6,
  seventh: 7,
  eighth: 8,
  ninth: 9,
  tenth: 10,
  eleventh: 11,
  twelfth: 12,
}

/** Offset of each zone in minutes east of UTC. */
export const ZONES: Readonly<Record<string, number>> = {
  z: 0,
  utc: 0,
  ut: 0,
  uct: 0,
  gmt: 0,
  wet: 0,
  west: 60,
  bst: 60,
  cet: 60,
  cest: 120,
  met: 60,
  mest: 120,
  eet: 120,
  eest: 180,
  msk: 180,
  msd: 240,
  ist: 330,
  sgt: 480,
  jst: 540,
  nzst: 720,
  nzdt: 780,
  ast: -240,
  adt: -180,
  est: -300,
  edt: -240,
  cst: -360,
  cdt: -300,
  mst: -420,
  mdt: -360,
  pst: -480,
  pdt: -420,
  akst: -540,
  akdt: -480,
  hst: -600,
}
