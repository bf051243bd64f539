import { loadAddon } from '../../lib/backend/addon.js'
import type { NativeAddon } from '../../lib/engine/native.js'

// In the native tier all bookkeeping is compared with llama.cpp's after each step, in chats as well, which users' chats
// do without: their sequences are opened with `verify`.
if (expect.getState().testPath?.replaceAll('\\', '/').includes('/test/native/')) {
  const addon = loadAddon() as NativeAddon & { verifiesAlways?: true }
  if (!addon.verifiesAlways) {
    addon.verifiesAlways = true
    const { load } = addon
    addon.load = (...given) => {
      const loading = load(...given)
      const promise = loading.promise.then(model => {
        const { openSequence } = model
        const verified: typeof openSequence = options => openSequence.call(model, { ...options, verify: true })
        return Object.defineProperty(model, 'openSequence', { value: verified })
      })
      return { promise, abort: () => loading.abort() }
    }
  }
}
