// Writes docs/reference from the docstrings of the sources. What is no longer exported loses its page.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../root.mjs'
import { folder, readSources, referencePages } from './reference.mjs'

const directory = join(root, folder)
const pages = referencePages(root, readSources(root))
rmSync(directory, { recursive: true, force: true })
mkdirSync(directory, { recursive: true })
for (const [name, text] of pages) writeFileSync(join(directory, name), text)
process.stderr.write(`oncebox: wrote ${pages.size} pages to ${folder}\n`)
