import { describe, expect, test } from 'vitest'
import { check, checkerMissing, models } from '../../src/model/model.js'

const missing = await checkerMissing()
if (missing !== undefined) process.stderr.write(`Models are not checked: ${missing}\n`)

// The windows have two million states: the full proof looks through them all, here their defects are enough.
const looked = Object.keys(models).filter((model) => model !== 'window')

describe.skipIf(missing !== undefined)('models of lease, ring and floor', () => {
  test.each(looked)(
    '%s: no run breaks a claim, and each deliberate defect has one that does',
    async (model) => {
      expect(await check(model)).toMatchObject({ violated: null })
      for (const defect of models[model] ?? []) {
        expect((await check(model, defect)).violated, defect).toMatch(/assertion violated/)
      }
    },
    120_000,
  )
})
