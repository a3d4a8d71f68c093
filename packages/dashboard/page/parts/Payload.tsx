import { laidOut, textOfBase64 } from '../words.ts'

/** A payload and headers as text, whatever is in them. */
export function Payload(props: { base64: string | null; headers: readonly (readonly [string, string | null])[] }) {
  const { base64, headers } = props
  return (
    <>
      {base64 === null ? <p>A tombstone: it has no value.</p> : <pre>{laidOut(textOfBase64(base64))}</pre>}
      {headers.length > 0 && (
        <dl>
          {headers.map(([name, value]) => (
            <>
              <dt key={name}>{name}</dt>
              <dd>{value ?? 'null'}</dd>
            </>
          ))}
        </dl>
      )}
    </>
  )
}
