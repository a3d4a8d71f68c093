import { InvalidArgumentError } from 'commander'

/** A whole number of at least 1. */
export function count(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('a whole number of at least 1 is wanted')
  }
  return value
}

/** Names with commas between, each of them one of `known`. */
export function namesOf<Name extends string>(known: readonly Name[]): (text: string) => Name[] {
  return (text) => {
    const names = text.split(',') as Name[]
    const unknown = names.find((name) => !known.includes(name))
    if (unknown !== undefined) throw new InvalidArgumentError(`there is no ${unknown}; there are ${known.join(', ')}`)
    return names
  }
}

/** Progress goes to standard error: standard output is for results. */
export function progress(line: string): void {
  process.stderr.write(`bench: ${line}\n`)
}
