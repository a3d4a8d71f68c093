import { OnceboxError } from './errors.js'

/** What a setting has to be. */
export interface SettingKind {
  /** As in "… is not a function". */
  readonly is: string
  fits(value: unknown): boolean
}

/** For each setting of a function what it has to be; one that may be missing is looked at only where it is given. */
export type SettingKinds<Options> = { readonly [Name in keyof Required<Options>]: SettingKind }

/**
 * Checks settings of callers without types, of whom anything may come, before any of them is used: one of the wrong
 * kind is refused, and so is null where a setting is simply not given. What is valid only beside others is checked by
 * whoever knows.
 *
 * @param of the function whose settings they are, for the error
 * @param needed names of settings that have to be given
 * @throws OnceboxError `INVALID_SETTING` naming the setting, never its value.
 */
export function checkSettings(
  of: string,
  options: unknown,
  kinds: Readonly<Record<string, SettingKind>>,
  needed: readonly string[] = [],
): void {
  if (!isObject(options)) throw invalid(`The settings of ${of} are not an object`, 'Give an object with settings.')
  for (const [name, { is, fits }] of Object.entries(kinds)) {
    const value = options[name]
    if (value === undefined ? !needed.includes(name) : fits(value)) continue
    const next = needed.includes(name) ? `Give ${is}.` : `Give ${is}, or leave it out.`
    throw invalid(`The setting ${name} of ${of} is not ${is}`, next)
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(what: string, next: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what, { next })
}

/** The largest of 32 bits: the longest a timer of Node takes, in milliseconds, and the largest number of Kafka's protocol. */
const largestInt32 = 2 ** 31 - 1
/** Longer than anything is kept, and what dates and Postgres' intervals can be moved by. */
const longestSpanMs = 100 * 366 * 86_400_000

const withMethods = (is: string, ...names: string[]): SettingKind => ({
  is,
  fits: (value) =>
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    names.every((name) => typeof Reflect.get(value, name) === 'function'),
})

const wholeNumber = (least: number, most: number, unit = ''): SettingKind => ({
  is: `a whole number ${unit}from ${least} to ${most}`,
  fits: (value) => Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most,
})

const listOf = ({ is, fits }: SettingKind): SettingKind => ({
  is: `a list of which each is ${is}`,
  fits: (value) => Array.isArray(value) && value.every(fits),
})

const someKinds = {
  text: { is: 'a text', fits: (value) => typeof value === 'string' },
  flag: { is: 'true or false', fits: (value) => typeof value === 'boolean' },
  callable: { is: 'a function', fits: (value) => typeof value === 'function' },
  object: { is: 'an object', fits: isObject },
  logger: withMethods('a logger with debug, info, warn and error', 'debug', 'info', 'warn', 'error'),
  clock: withMethods('a clock with now and sleep', 'now', 'sleep'),
  /** A clock of which only the present is read. */
  present: withMethods('a clock with now', 'now'),
  /** A validator of the standard-schema specification: some libraries make functions of theirs. */
  validator: {
    is: 'a standard-schema validator',
    fits: (value) =>
      ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
      typeof (Reflect.get(value, '~standard') as { validate?: unknown } | null | undefined)?.validate === 'function',
  },
  /** Whole, up to the largest of 32 bits. */
  count: (least: number) => wholeNumber(least, largestInt32),
  /** Whole, of any size that a number holds exactly. */
  bytes: (least: number) => wholeNumber(least, Number.MAX_SAFE_INTEGER, 'of bytes '),
  /** Milliseconds that a timer or a broker is given. */
  milliseconds: (least: number) => wholeNumber(least, largestInt32, 'of milliseconds '),
  /** Milliseconds for which something is kept. */
  spanMs: (least: number) => wholeNumber(least, longestSpanMs, 'of milliseconds '),
  wholeNumber,
  withMethods,
  listOf,
  oneOf: (...names: string[]) => ({ is: names.join(' or '), fits: (value) => names.some((name) => name === value) }),
  either: (...some: SettingKind[]) => ({
    is: some.map(({ is }) => is).join(', or '),
    fits: (value) => some.some(({ fits }) => fits(value)),
  }),
  /** An object whose settings are of these kinds, where they are given. */
  shaped: (shape: Readonly<Record<string, SettingKind>>, needed: readonly string[] = []) => ({
    is: `an object with ${Object.entries(shape)
      .map(([name, { is }]) => `${name} (${is})`)
      .join(' and ')}`,
    fits: (value) =>
      isObject(value) &&
      Object.entries(shape).every(([name, { fits }]) =>
        value[name] === undefined ? !needed.includes(name) : fits(value[name]),
      ),
  }),
  /** An object in which each entry is of this kind. */
  recordOf: ({ is, fits }: SettingKind) => ({
    is: `an object in which each entry is ${is}`,
    fits: (value) => isObject(value) && Object.values(value).every(fits),
  }),
} as const satisfies Readonly<Record<string, SettingKind | ((...details: never[]) => SettingKind)>>

const contract = someKinds.shaped({ topic: someKinds.text, schema: someKinds.validator, key: someKinds.callable }, [
  'topic',
  'schema',
])

/** Names for the kinds of settings that there are. */
export const kinds = {
  ...someKinds,
  contract: { ...contract, is: 'a contract with topic and schema' },
  /** What `defineMessages` returns. */
  contracts: { ...someKinds.recordOf(contract), is: 'the contracts of defineMessages' },
}
