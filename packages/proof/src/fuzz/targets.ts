import type { Target } from './target.js'
import { commandLine } from './targets/commandLine.js'
import { dashboard } from './targets/dashboard.js'
import { emit } from './targets/emit.js'
import { emitInSql } from './targets/emitInSql.js'
import { probes } from './targets/probes.js'
import { settings } from './targets/settings.js'
import { wireRecord } from './targets/wireRecord.js'

/** Everything that can be given junk. */
export const targets: readonly Target[] = [emit, wireRecord, settings, probes, emitInSql, commandLine, dashboard]
