/** A contestant as the benchmark sees it: a process that answers line by line. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Farewell, Ready, Request, Round } from './protocol.js';

export class Contestant {
  private readonly process: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private readonly reader: Interface;

  private constructor(
    readonly name: string,
    command: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>>,
  ) {
    this.process = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    const { stdout } = this.process;
    if (stdout === null) throw new Error(`${name} has no output.`);
    this.reader = createInterface({ input: stdout });
    this.lines = this.reader[Symbol.asyncIterator]();
  }

  /** Starts a process and waits until it is warm. */
  static async start(
    name: string,
    command: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<{ contestant: Contestant; ready: Ready }> {
    const contestant = new Contestant(name, command, args, environment);
    return { contestant, ready: await contestant.answer<Ready>() };
  }

  /** Seconds of each of `steps` steps, done now. */
  async round(steps: number): Promise<readonly number[]> {
    return (await this.ask<Round>({ steps })).seconds;
  }

  /** Ends the process. */
  end(): Promise<Farewell> {
    return this.ask<Farewell>({ end: true });
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  private ask<Reply>(request: Request): Promise<Reply> {
    this.process.stdin?.write(`${JSON.stringify(request)}\n`);
    return this.answer();
  }

  private async answer<Reply>(): Promise<Reply> {
    const line = await this.lines.next();
    if (line.done) throw new Error(`${this.name} ended without an answer; see its message above.`);
    return JSON.parse(line.value) as Reply;
  }
}
