/**
 * Every label there is: the attribute that it is in OpenTelemetry, and how many values it may have at most in one process.
 * What comes past that is counted under `other`. Nothing here is of a single message: no key, no id, no text.
 */
export const labels = {
  lane: { attribute: 'oncebox.lane', most: 64 },
  topic: { attribute: 'messaging.destination.name', most: 200 },
  group: { attribute: 'messaging.consumer.group.name', most: 100 },
  // An error code of ours or an SQLSTATE; anything else may be somebody's text.
  code: { attribute: 'error.type', most: 50, shape: /^(?:[A-Z][A-Z_]{0,39}|[0-9A-Z]{5}|none)$/ },
  outcome: { attribute: 'oncebox.outcome', most: 10 },
  source: { attribute: 'oncebox.id.source', most: 10 },
  problem: { attribute: 'oncebox.problem', most: 50 },
  part: { attribute: 'oncebox.part', most: 10 },
} as const satisfies Record<string, { attribute: string; most: number; shape?: RegExp }>

export type LabelName = keyof typeof labels
export type Labels = Readonly<Partial<Record<LabelName, string>>>

export const overflow = 'other'

/** A topic's name is at most as long (Kafka); nothing longer is a name. */
const longestValue = 249

/** Remembers the values of each label, and lets no label have more than it may. */
export class LabelBounds {
  readonly #known = new Map<LabelName, Set<string>>()

  /** The same labels, with `other` for each value that is one too many. */
  bounded(given: Labels): Labels {
    const bounded: Partial<Record<LabelName, string>> = {}
    for (const name of Object.keys(given) as LabelName[]) bounded[name] = this.#admit(name, given[name] ?? '')
    return bounded
  }

  #admit(name: LabelName, value: string): string {
    let known = this.#known.get(name)
    if (known === undefined) {
      known = new Set()
      this.#known.set(name, known)
    }
    if (known.has(value)) return value
    const { most, shape }: { most: number; shape?: RegExp } = labels[name]
    if (known.size >= most || value.length > longestValue || shape?.test(value) === false) return overflow
    known.add(value)
    return value
  }
}
