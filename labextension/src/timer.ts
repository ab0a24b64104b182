/** An action that is put off; putting it off again while it waits changes nothing. */
export class Timer {
  private readonly action: () => void;
  private handle: ReturnType<typeof setTimeout> | undefined;

  constructor(action: () => void) {
    this.action = action;
  }

  /** Act in `pause` milliseconds, unless that is planned already. */
  start(pause: number): void {
    this.handle ??= setTimeout(() => {
      this.handle = undefined;
      this.action();
    }, pause);
  }

  stop(): void {
    clearTimeout(this.handle);
    this.handle = undefined;
  }
}
