import type { ComponentChildren } from 'preact'

export interface Column<Row> {
  readonly name: string
  /** `number` and `time`: digits of one width; `cut`: long ones end in dots; `acts`: buttons, under a heading that is only read out. */
  readonly kind?: 'number' | 'time' | 'cut' | 'acts'
  cell(row: Row): ComponentChildren
}

/** A table that scrolls by itself where it is too wide, also with the keyboard; on narrow screens every row is a card. */
export function Table<Row>(props: {
  readonly label: string
  readonly caption?: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  keyOf(row: Row): string
}) {
  const { label, caption, columns, rows, keyOf } = props
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached with the keyboard
    <section class="scroll" aria-label={label} tabIndex={0}>
      <table>
        {caption !== undefined && <caption>{caption}</caption>}
        <thead>
          <tr>
            {columns.map(({ name, kind }) => (
              <th key={name} scope="col" class={kind}>
                {kind === 'acts' ? <span class="hidden">{name}</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ name, kind, cell }) => (
                <td key={name} class={kind} data-name={name}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
