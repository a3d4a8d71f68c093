import type { Member } from './messages.ts'

// Somebody else's directory. It has no outbox, promises nothing about order, and repeats itself.

export const directory = 'hr'
export const members = 40
export const revisions = 5
const pageSize = 10

/** A member after so many changes. Every seventh has left with the last one. */
export function memberAt(number: number, revision: number): Member {
  return {
    number,
    name: `Member ${number}, change ${revision}`,
    left: number % 7 === 0 && revision === revisions,
    revision,
  }
}

/** The directory after so many changes of everybody, in pages; where a page begins changes from day to day. */
export function pagesAt(revision: number): Member[][] {
  const all = Array.from({ length: members }, (_, index) => memberAt(((index + 3 * revision) % members) + 1, revision))
  return Array.from({ length: Math.ceil(members / pageSize) }, (_, page) =>
    all.slice(page * pageSize, (page + 1) * pageSize),
  )
}

/** Every page of every revision, `times` times, in no order. */
export function shuffledPages(times: number): Member[][] {
  return Array.from({ length: times * revisions }, (_, index) => pagesAt(1 + (index % revisions)))
    .flat()
    .map((page) => ({ page, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ page }) => page)
}
