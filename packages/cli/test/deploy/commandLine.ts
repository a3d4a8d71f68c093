import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { root } from '../docs/pages.js'
import { oncebox } from '../oncebox.js'

/** A file below `deploy/`. */
export const deployed = (path: string): string => readFileSync(`${root}deploy/${path}`, 'utf8')

/** What a deployment starts: the arguments and the environment of `oncebox`. */
export interface Started {
  readonly args: readonly string[]
  readonly environment: readonly string[]
}

const helps = new Map<string, Promise<string>>()

function helpOf(verb: string): Promise<string> {
  const help =
    helps.get(verb) ??
    oncebox([verb, '--help']).then(({ code, stdout }) =>
      // Long words go to the next line.
      code === 0 ? `${stdout.replaceAll(/\s+/g, ' ')} ` : '',
    )
  helps.set(verb, help)
  return help
}

/** Holds a deployment to the command line: its verb, every flag and every variable exist. Resolves with the values of the flags. */
export async function requireKnown({ args, environment }: Started): Promise<ReadonlyMap<string, string>> {
  const [verb = '', ...rest] = args
  const help = await helpOf(verb)
  expect(help, `the verb ${verb}`).toContain(`Usage: oncebox ${verb}`)
  const flags = new Map<string, string>()
  for (const [index, arg] of rest.entries()) {
    if (!arg.startsWith('--')) continue
    expect(help, `oncebox ${verb} ${arg}`).toMatch(new RegExp(`${arg} `))
    flags.set(arg, rest[index + 1] ?? '')
  }
  for (const name of environment) {
    expect(help, `${name} of oncebox ${verb}`).toMatch(new RegExp(`(env: |from )${name}\\b`))
  }
  return flags
}

/** What stands for a password in the files: a variable, a reference, an ellipsis or nothing. */
export function requireNoSecret(text: string): void {
  for (const [, password] of text.matchAll(/postgres(?:ql)?:\/\/[^:\s/]+:([^@\s]+)@/g)) {
    expect(password).toMatch(/^(…|\$\{\w+:\?[^}]+\})$/)
  }
  expect(text).not.toMatch(/(PASSWORD|SECRET|TOKEN)[ \t]*[:=][ \t]*['"]?[A-Za-z0-9]{4,}/)
}
