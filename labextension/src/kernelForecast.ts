/**
 * Asks a kernel what a cell would cost: a comm opens with the cell, and closes with the answer.
 *
 * The comm runs on a subshell, so that a price can be told while a cell runs, and nothing is put into the kernel's main
 * thread. Whatever does not come in time is given up, and says so.
 */

import type { Kernel } from '@jupyterlab/services';

import { type Forecast, readForecast } from './forecast.js';
import { ApiError } from './state.js';

const TARGET = 'jupyter_secure.forecast';
const PATIENCE = 12_000; // milliseconds; the kernel itself waits for less
const SILENT = new ApiError({ code: 'kernel', public: 'The kernel does not answer just now.' });

export async function askKernel(kernel: Kernel.IKernelConnection | null | undefined, cell: string): Promise<Forecast> {
  if (!kernel?.handleComms || kernel.isDisposed) {
    throw new ApiError({ code: 'kernel', public: 'No kernel runs for this notebook.' });
  }
  let comm: Kernel.IComm | null = null;
  let timer: number | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = window.setTimeout(() => reject(SILENT), PATIENCE);
  });
  try {
    await Promise.race([kernel.info, silence]);
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
