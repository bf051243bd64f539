const patience = 60_000

/**
 * A reporter that ends the run where something a test started never ends, as a test that failed may leave it: the run fails
 * by then, instead of never ending.
 */
export default class EndsInTime {
  onRunComplete() {
    const timer = setTimeout(() => {
      console.error(`Something that a test started still runs ${patience / 1000} s after the last test; the run ends here, as failed.`)
      process.exit(1)
    }, patience)
    timer.unref() // who ends in time is not kept waiting
  }
}
