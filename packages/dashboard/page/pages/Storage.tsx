import type { LaneStatus, LeafStatus, Pause } from '@oncebox/ops'
import { useLive } from '../live.ts'
import { Badge } from '../parts/Badge.tsx'
import { WithCommands } from '../parts/Command.tsx'
import { describe, LaneSwitch, PausedTopics } from '../parts/Pause.tsx'
import { Scroll } from '../parts/Scroll.tsx'
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
  const pauseOf = (lane: number) => paused.find((pause) => pause.lane === lane)
  return (
    <Scroll label="Who holds which lane">
      <table>
        <thead>
          <tr>
            <th scope="col" class="number">
              Lane
            </th>
            <th scope="col">Held by</th>
            <th scope="col" class="number">
              Epoch
            </th>
            <th scope="col" class="number">
              Waiting
            </th>
            <th scope="col" class="number">
              Oldest
            </th>
            <th scope="col" class="number">
              Parked
            </th>
            <th scope="col">
              <span class="hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {lanes.map((status) => (
            <Lane key={status.lane} status={status} pause={pauseOf(status.lane)} />
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

function Lane({ status, pause }: { status: LaneStatus; pause: Pause | undefined }) {
  const { lane, holder, epoch, waiting, waitingExact, oldestSeconds, parked } = status
  return (
    <tr>
      <td class="number">{lane}</td>
      <td>
        {holder === null ? <Badge tone="bad">nobody</Badge> : <code>{holder}</code>}{' '}
        {pause !== undefined && (
          <>
            <Badge tone="wait">paused</Badge> <span class="soft">{describe(pause)}</span>
          </>
        )}
      </td>
      <td class="number">{epoch}</td>
      <td class="number">
        {waitingExact ? '' : '≈ '}
        {count(waiting)}
      </td>
      <td class="number">{oldestSeconds === null ? '–' : duration(oldestSeconds)}</td>
      <td class="number">{parked === 0 ? '–' : count(parked)}</td>
      <td class="acts">
        <LaneSwitch lane={status} pause={pause} />
      </td>
    </tr>
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
