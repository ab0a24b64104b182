/**
 * Keeps a model turned to the question that the person is at: the one under the mouse, else the active cell.
 *
 * The mouse is watched on the notebook, not on cells, which come and go. A question stays when the mouse leaves the
 * notebook, because it may be on its way to the sidebar.
 */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { isQuestion } from './forecast.js';
import type { ForecastModel } from './forecastModel.js';

type Cell = NotebookPanel['content']['widgets'][number];

/** Follow the mouse and the active cell through all notebooks. */
export function followQuestions(tracker: INotebookTracker, model: ForecastModel): void {
  new CellWatch(tracker, model);
}

class CellWatch {
  private hovered: Cell | null = null;
  private watched: Cell | null = null;
  private panel: NotebookPanel | null = null;

  constructor(
    private readonly tracker: INotebookTracker,
    private readonly model: ForecastModel
  ) {
    tracker.currentChanged.connect((_, panel) => this.follow(panel));
    tracker.activeCellChanged.connect(() => this.turn(null));
    this.follow(tracker.currentWidget);
  }

  private follow(panel: NotebookPanel | null): void {
    const old = this.panel;
    if (old && !old.isDisposed) {
      old.content.node.removeEventListener('mouseover', this.over);
      old.sessionContext.kernelChanged.disconnect(this.forget);
      old.sessionContext.statusChanged.disconnect(this.retry);
    }
    this.panel = panel;
    panel?.content.node.addEventListener('mouseover', this.over);
    panel?.sessionContext.kernelChanged.connect(this.forget);
    panel?.sessionContext.statusChanged.connect(this.retry);
    this.turn(null);
    this.forget();
  }

  private readonly forget = (): void => this.model.forget();

  private readonly retry = (_: unknown, status: string): void => {
    if (status === 'idle') {
      this.model.retry();
    }
  };

  private readonly over = (event: MouseEvent): void => {
    const node = event.target instanceof Element ? event.target.closest('.jp-Cell') : null;
    if (node !== null && node !== this.hovered?.node) {
      this.turn(this.panel?.content.widgets.find(cell => cell.node === node) ?? null);
    }
  };

  /** Turn to the hovered cell, if it is a question, or to the active one, and hear of its changes. */
  private turn(hovered: Cell | null): void {
    this.hovered = hovered;
    const cell = hovered && isQuestion(sourceOf(hovered)) ? hovered : this.tracker.activeCell;
    if (cell !== this.watched) {
      if (this.watched && !this.watched.isDisposed) {
        this.watched.model.contentChanged.disconnect(this.read);
      }
      this.watched = cell;
      cell?.model.contentChanged.connect(this.read);
    }
    this.read();
  }

  private readonly read = (): void => this.model.look(this.watched ? sourceOf(this.watched) : null);
}

/** The text of a code cell; of any other, and of one that is gone, nothing. */
const sourceOf = (cell: Cell): string =>
  !cell.isDisposed && cell.model.type === 'code' ? cell.model.sharedModel.getSource() : '';
