import { readFileSync } from 'node:fs'
import { problemCodes } from '@oncebox/ops'
import { expect, test } from 'vitest'
import { page, root } from './pages.js'

const names = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = '']) => name).sort()

test('docs/operations.md lists the events of the relay, and no others', () => {
  const source = readFileSync(`${root}packages/relay/src/events.ts`, 'utf8')
  const table = /^\| event \|.*\n([\s\S]*?)\n\n/m.exec(page('docs/operations.md').text)?.[1] ?? ''
  const listed = table.split('\n').flatMap((row) => names(row.split('|')[1] ?? '', /`(\w+)`/g))
  expect(listed.sort()).toEqual(names(source, /event: '(\w+)'/g))
})

test('docs/operations.md lists the problems of status, and no others', () => {
  const table = /^\| problem \|.*\n([\s\S]*?)(?:\n\n|$(?![\s\S]))/m.exec(page('docs/operations.md').text)?.[1] ?? ''
  expect(names(table, /^\| `(\w+)`/gm)).toEqual([...problemCodes].sort())
})
