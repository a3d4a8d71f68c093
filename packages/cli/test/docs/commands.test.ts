import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { oncebox } from '../oncebox.js'
import { root, typed } from './pages.js'

test('every oncebox command in the docs has a verb and flags that exist', async () => {
  const helpOf = new Map<string, string>()
  for (const { where, line } of typed()) {
    const command = /(?:\boncebox(?: --)?|npm run) (demo|[a-z]+)\b([^|>]*)/.exec(line)
    if (command === null || !/^(oncebox|npm run oncebox|npm run demo)/.test(line)) continue
    const verb = /^npm run oncebox -- (\w+)/.exec(line)?.[1] ?? String(command[1])
    if (!helpOf.has(verb)) {
      const { code, stdout } = await oncebox([verb, '--help'])
      expect(code, `${where}: ${line}`).toBe(0)
      expect(stdout, `${where}: ${line}`).toContain(`Usage: oncebox ${verb}`)
      helpOf.set(verb, stdout)
    }
    for (const [flag] of line.replace(/^npm run \w+ --/, '').matchAll(/(?<=\s)--[a-z-]+/g)) {
      expect(helpOf.get(verb), `${where}: ${line}`).toContain(`${flag} `)
    }
  }
}, 60_000)

test('every npm script in the docs exists', () => {
  const { scripts } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { scripts: Record<string, string> }
  for (const { where, line } of typed()) {
    const script = /^npm (?:run (\w+)|(test))\b/.exec(line)
    if (script !== null) expect(Object.keys(scripts), `${where}: ${line}`).toContain(script[1] ?? script[2])
  }
})
