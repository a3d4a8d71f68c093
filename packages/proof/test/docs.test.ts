import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crashPoints, faultNames, mutants, repository } from '@oncebox/proof'
import { expect, test } from 'vitest'

const page = readFileSync(join(repository, 'docs/proof.md'), 'utf8')

/** The first cells of the table below a heading. */
function listed(heading: string): string[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
  return [...section.matchAll(/^\| (.+?) \|/gm)].map(([, cell = '']) => cell).slice(1)
}

test('docs/proof.md lists the crash points, faults and deliberate defects that there are', () => {
  expect(listed('Crash points')).toEqual(crashPoints.map(({ name }) => name))
  expect(listed('Faults')).toEqual(faultNames)
  expect(listed('Deliberate defects')).toEqual(mutants.map(({ name }) => name))
  for (const { suite } of mutants) expect(page).toContain(`](../${suite.file})`)
})
