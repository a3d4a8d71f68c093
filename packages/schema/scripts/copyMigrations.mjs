// Copies the repository's migrations into this package, where the published package carries them.
import { cpSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const from = fileURLToPath(new URL('../../../migrations/', import.meta.url))
const to = fileURLToPath(new URL('../migrations/', import.meta.url))
rmSync(to, { recursive: true, force: true })
cpSync(from, to, { recursive: true })
