/**
 * Asks a kernel what a cell would cost: a comm opens with the cell, and closes with the answer.
 *
 * The comm runs on a subshell, so that a price can be told while a cell runs, and nothing is put into the kernel's main
 * thread. Whatever does not come in time is given up, and says so.
 */

import type { Kernel } from '@jupyterlab/services';

import { type Forecast, readForecast } from './forecast.js';
import { SILENT } from './forecastModel.js';
import { ApiError } from './state.js';

const TARGET = 'jupyter_secure.forecast';
const PATIENCE = 12_000; // milliseconds; the kernel itself waits for less
const NOW = new ApiError({ code: SILENT, public: 'The kernel does not answer just now.' });
const BEFORE = new ApiError({
  code: SILENT,
  public: 'The kernel has been running something since before this page opened. The price follows when that ends.'
});

export async function askKernel(kernel: Kernel.IKernelConnection | null | undefined, cell: string): Promise<Forecast> {
  if (!kernel?.handleComms || kernel.isDisposed) {
    throw new ApiError({ code: 'kernel', public: 'No kernel runs for this notebook.' });
  }
  let comm: Kernel.IComm | null = null;
  let timer: number | undefined;
  let reason = BEFORE;
  const silence = new Promise<never>((_, reject) => {
    timer = window.setTimeout(() => reject(reason), PATIENCE);
  });
  try {
    await Promise.race([kernel.info, silence]); // asked of the main thread, once by each page
    reason = NOW;
    comm = kernel.createComm(TARGET);
    await Promise.race([subshell(kernel, comm), silence]);
    return readForecast(await Promise.race([answer(comm, cell), silence]));
  } finally {
    window.clearTimeout(timer);
    comm?.dispose();
  }
}

/** JupyterLab starts the subshell of a comm by itself, but its interface does not say when it is there. */
async function subshell(kernel: Kernel.IKernelConnection, comm: Kernel.IComm): Promise<void> {
  if (kernel.supportsSubshells && 'subshellStarted' in comm) {
    await comm.subshellStarted;
  }
}

function answer(comm: Kernel.IComm, cell: string): Promise<unknown> {
  return new Promise(resolve => {
    comm.onClose = message => resolve(message.content.data);
    comm.open({ cell });
  });
}
