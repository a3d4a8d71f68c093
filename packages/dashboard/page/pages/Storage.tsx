import type { LaneStatus, LeafStatus, Pause } from '@oncebox/ops'
import { useLive } from '../live.ts'
import { Badge } from '../parts/Badge.tsx'
import { WithCommands } from '../parts/Command.tsx'
import { describe, LaneSwitch, PausedTopics } from '../parts/Pause.tsx'
import { type Column, Table } from '../parts/Table.tsx'
import { bytes, count, duration } from '../words.ts'

/** Problems that concern this page. */
const mine = ['NO_RELAY', 'LANE_BEHIND', 'RING_FULL', 'LEAF_NOT_RECLAIMED', 'DATABASE_CHANGED']

export function Storage() {
  const { overview } = useLive()
  if (overview === null) return <h1>Relays and storage</h1>
  const { lanes, leaves, paused, problems, consumers } = overview
  const topics = consumers.flatMap(({ partitions }) => partitions.map(({ topic }) => topic))
  return (
    <>
      <h1>Relays and storage</h1>
      <ul class="problems">
        {problems
          .filter(({ code }) => mine.includes(code))
          .map(({ what, next }) => (
            <li key={what}>
              <strong>{what}</strong>
              <p>
                <WithCommands text={next} />
              </p>
            </li>
          ))}
      </ul>
      <section aria-labelledby="lanes">
        <h2 id="lanes">Lanes</h2>
        <Lanes lanes={lanes} paused={paused} />
      </section>
      <PausedTopics paused={paused} topics={[...new Set(topics)].sort()} />
      <Ring title="Outbox" leaves={leaves.filter(({ ring, database }) => ring === 'outbox' && database === '')} />
      {[...new Set(leaves.map(({ database }) => database))].map((database) => (
        <Ring
          key={database}
          title={database === '' ? 'Inbox' : `Inbox of ${database}`}
          leaves={leaves.filter((leaf) => leaf.ring === 'inbox' && leaf.database === database)}
        />
      ))}
    </>
  )
}

function Lanes({ lanes, paused }: { lanes: readonly LaneStatus[]; paused: readonly Pause[] }) {
  const pauseOf = ({ lane }: LaneStatus) => paused.find((pause) => pause.lane === lane)
  const columns: readonly Column<LaneStatus>[] = [
    { name: 'Lane', kind: 'number', cell: ({ lane }) => lane },
    { name: 'Held by', cell: (lane) => <Holder lane={lane} pause={pauseOf(lane)} /> },
    { name: 'Epoch', kind: 'number', cell: ({ epoch }) => epoch },
    {
      name: 'Waiting',
      kind: 'number',
      cell: ({ waiting, waitingExact }) => `${waitingExact ? '' : '≈ '}${count(waiting)}`,
    },
    {
      name: 'Oldest',
      kind: 'number',
      cell: ({ oldestSeconds }) => (oldestSeconds === null ? '–' : duration(oldestSeconds)),
    },
    { name: 'Parked', kind: 'number', cell: ({ parked }) => (parked === 0 ? '–' : count(parked)) },
    { name: 'Actions', kind: 'acts', cell: (lane) => <LaneSwitch lane={lane} pause={pauseOf(lane)} /> },
  ]
  return <Table label="Who holds which lane" columns={columns} rows={lanes} keyOf={({ lane }) => String(lane)} />
}

function Holder({ lane: { holder }, pause }: { lane: LaneStatus; pause: Pause | undefined }) {
  return (
    <span>
      {holder === null ? <Badge tone="bad">nobody</Badge> : <code>{holder}</code>}{' '}
      {pause !== undefined && (
        <>
          <Badge tone="wait">paused</Badge> <span class="soft">{describe(pause)}</span>
        </>
      )}
    </span>
  )
}

/** A ring as the bars of its leaves, side by side in the order in which they are written. */
function Ring({ title, leaves }: { title: string; leaves: readonly LeafStatus[] }) {
  const largest = Math.max(1, ...leaves.map((leaf) => leaf.bytes))
  const all = leaves.reduce((sum, leaf) => sum + leaf.bytes, 0)
  return (
    <section aria-label={`${title} ring`}>
      <h2>
        {title} ring <span class="soft">{bytes(all)}</span>
      </h2>
      <ol class="ring">
        {leaves.map(({ name, rows, bytes: size, active }) => (
          <li key={name} class={active ? 'active' : undefined} title={name}>
            <progress max={largest} value={rows === 0 ? 0 : size} aria-label={`${name}: ${bytes(size)}`} />
            <span>{rows === 0 ? 'empty' : `≈ ${count(rows)}`}</span>
            <span class="soft">{active ? 'written now' : bytes(size)}</span>
          </li>
        ))}
      </ol>
    </section>
  )
}
