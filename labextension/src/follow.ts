/**
 * Keeps a model turned to the notebook in front, and tells it when to ask again.
 *
 * Events of the server are pings without content: anybody who may write events can forge one, and all it does is make
 * us ask the authorised interface once more.
 */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Event } from '@jupyterlab/services';

import type { PanelModel } from './model.js';

/** Follow the notebook in front, through renames and restarts. */
export function followNotebook(app: JupyterFrontEnd, tracker: INotebookTracker, model: PanelModel): void {
  let current: NotebookPanel | null = null;

  const turn = (): void => {
    const path = current && !current.isDisposed ? current.context.path : null;
    void model.follow(path === null ? null : app.serviceManager.contents.localPath(path));
  };
  const switchTo = (next: NotebookPanel | null): void => {
    if (current && !current.isDisposed) {
      current.context.pathChanged.disconnect(turn);
      current.sessionContext.kernelChanged.disconnect(turn);
    }
    current = next;
    current?.context.pathChanged.connect(turn);
    current?.sessionContext.kernelChanged.connect(turn);
    turn();
  };
  tracker.currentChanged.connect((_, next) => switchTo(next));
  switchTo(tracker.currentWidget);
}

/** Ask again when the server says so, and when somebody comes back to the window. */
export function followChanges(app: JupyterFrontEnd, model: PanelModel): void {
  app.serviceManager.events.stream.connect((_, event: Event.Emission) => {
    if (event.schema_id.endsWith('/changed')) {
      model.changed(typeof event.notebook === 'string' ? event.notebook : null);
    }
  });
  app.serviceManager.connectionFailure.connect(() => model.changed(null));
  window.addEventListener('focus', () => model.changed(null));
}
