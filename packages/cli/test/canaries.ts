import { inspect } from 'node:util'
import type { Logger } from '@oncebox/core'

/** Words that nobody says by chance, for everything that must stay where it is. */
export const canaries = {
  payload: 'canary-payload-7f3a',
  key: 'canary-key-7f3a',
  header: 'canary-header-7f3a',
  password: 'canary-password-7f3a',
  /** In an address, so that a connection string is known by any part of it. */
  database: 'canary_database_7f3a',
} as const
export type Canary = keyof typeof canaries

/** Collects all that is said, by whatever way, and finds canaries in it. */
export function listener() {
  const heard: { readonly from: string; readonly text: string }[] = []
  const hear = (from: string, ...said: readonly unknown[]): void => {
    for (const each of said) heard.push({ from, text: typeof each === 'string' ? each : everythingOf(each) })
  }
  const logs = (from: string): Logger => {
    const write = (level: string) => (fields: object, message: string) => hear(`${from} ${level}`, fields, message)
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  }
  return {
    hear,
    logs,
    /** How much was said in this way, so that a test of silence does not pass for want of words. */
    count: (from: string) => heard.filter((each) => each.from.startsWith(from)).length,
    /** `canary in where: what`, for every one that was heard. */
    found: (except: (from: string, canary: Canary) => boolean = () => false) =>
      heard.flatMap(({ from, text }) =>
        Object.entries(canaries)
          .filter(([name, word]) => text.includes(word) && !except(from, name as Canary))
          .map(
            ([name, word]) => `${name} in ${from}: …${text.slice(Math.max(0, text.indexOf(word) - 80)).slice(0, 140)}`,
          ),
      ),
  }
}

/** A value as anything could print it: its own properties, hidden ones too, bytes as text; an error with stack and causes, and as JSON. */
function everythingOf(value: unknown): string {
  const shown = inspect(value, { depth: 12, showHidden: true, maxArrayLength: null, maxStringLength: null })
  const texts = [shown, jsonOf(value)]
  if (value instanceof Error)
    texts.push(String(value.stack), value.cause === undefined ? '' : everythingOf(value.cause))
  return texts.join('\n')
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value, (_name, each) => {
      if (typeof each === 'bigint') return String(each)
      return ArrayBuffer.isView(each) ? Buffer.from(each.buffer, each.byteOffset, each.byteLength).toString() : each
    })
  } catch {
    // A circle of objects, which `inspect` has shown.
    return ''
  }
}
