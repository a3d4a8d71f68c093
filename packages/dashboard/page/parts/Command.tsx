import { useState } from 'preact/hooks'

/** A command to type, with a button that copies it. */
export function Command({ text }: { text: string }) {
  const [copied, setCopied] = useState(false)
  const copy = () =>
    navigator.clipboard?.writeText(text).then(() => {
      setCopied(true)
      setTimeout(() => setCopied(false), 1_500)
    })
  return (
    <span class="command">
      <code>{text}</code>
      <button type="button" class="quiet" onClick={copy} aria-label={`Copy ${text}`}>
        {copied ? 'Copied' : 'Copy'}
      </button>
    </span>
  )
}

/** A sentence whose quoted commands can be copied: `Run "oncebox doctor".` */
export function WithCommands({ text }: { text: string }) {
  return (
    <>
      {text
        .split(/("(?:oncebox|kafka-\w+\.sh) [^"]*")/)
        .map((part) => (/^"(?:oncebox|kafka-)/.test(part) ? <Command key={part} text={part.slice(1, -1)} /> : part))}
    </>
  )
}
