import { FloorContender } from '../../research/bench/contenders/floor.js'
import { tinyModel } from '../tools/tiny-models.js'

// It is compiled when the benchmark runs, which is seldom: this sees that it still fits the addon's sources.
const unlessWindows = process.platform === 'win32' ? test.skip : test
unlessWindows('the floor of the benchmark compiles and generates', async () => {
  const floor = new FloorContender()
  try {
    await floor.start({
      model: tinyModel('llama'),
      cache: 64,
      sinks: 4,
      threads: 1,
      fill: Array.from({ length: 70 }, (_, i) => 300 + (i % 20)),
    })
    const times = await floor.generate(5)
    expect(times).toHaveLength(5)
    for (const each of times) expect(each).toBeGreaterThan(0)
  } finally {
    await floor.close()
  }
})
