import type { ComponentChildren } from 'preact'

export type Tone = 'good' | 'wait' | 'bad' | 'plain'

/** A state in a word; the word says it, the colour only underlines. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>
}
