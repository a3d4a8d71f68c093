import { defineConfig } from 'vite'

// Relative addresses, so that the page may be mounted anywhere; nothing inline, because its own policy forbids it.
export default defineConfig({
  root: new URL('page', import.meta.url).pathname,
  base: './',
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: new URL('dist/page', import.meta.url).pathname,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
    target: 'es2023',
  },
})
