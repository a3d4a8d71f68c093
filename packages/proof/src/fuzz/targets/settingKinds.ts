/** Whether a value is of the kind that a setting takes; one that is not has to be refused. */
export type Fits = (value: unknown) => boolean

const member = (value: unknown, name: string): unknown =>
  value !== null && (typeof value === 'object' || typeof value === 'function') ? Reflect.get(value, name) : undefined

/** An object, or a function, with these methods. */
export const having =
  (...methods: string[]): Fits =>
  (value) =>
    methods.every((name) => typeof member(value, name) === 'function')

/** The longest time a timer takes, and the largest number of the protocol of Kafka, in which milliseconds are sent. */
export const largestInt32 = 2 ** 31 - 1

export const whole =
  (least: number, most = Number.MAX_SAFE_INTEGER): Fits =>
  (value) =>
    Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most

export const text: Fits = (value) => typeof value === 'string'
export const flag: Fits = (value) => typeof value === 'boolean'
export const callable: Fits = (value) => typeof value === 'function'
export const logger = having('debug', 'info', 'warn', 'error')
export const clock = having('now', 'sleep')
export const present = having('now')
export const object: Fits = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)
export const texts: Fits = (value) => Array.isArray(value) && value.every(text)
export const oneOf =
  (...names: string[]): Fits =>
  (value) =>
    names.some((name) => name === value)
export const either =
  (...kinds: Fits[]): Fits =>
  (value) =>
    kinds.some((fits) => fits(value))
const absent: Fits = (value) => value === undefined

/** An object whose own entries that are there fit. */
export const shaped =
  (kinds: Readonly<Record<string, Fits>>): Fits =>
  (value) =>
    object(value) &&
    Object.entries(kinds).every(([name, fits]) => absent(member(value, name)) || fits(member(value, name)))
/** An object in which every entry fits. */
export const recordOf =
  (kind: Fits): Fits =>
  (value) =>
    object(value) && Object.values(value as object).every(kind)
