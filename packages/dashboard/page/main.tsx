import { render } from 'preact'
import { App } from './App.tsx'
import './styles/colours.css'
import './styles/side.css'
import './styles/content.css'
import './styles/flow.css'
import './styles/lists.css'
import './styles/tables.css'
import './styles/way.css'
import './styles/ring.css'
import './styles/narrow.css'

render(<App />, document.getElementById('page') as HTMLElement)
