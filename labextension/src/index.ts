/** The JupyterLab plugin: wires the panel to the application. */

import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { refreshIcon } from '@jupyterlab/ui-components';

import { connect } from './api.js';
import { followChanges, followNotebook } from './follow.js';
import { ForecastModel } from './forecastModel.js';
import { followQuestions } from './hover.js';
import { shieldIcon } from './icons.js';
import { askKernel } from './kernelForecast.js';
import { PanelModel } from './model.js';
import { SecurePanel } from './panel.js';
import { GuardStatus } from './status.js';

const ID = 'jupyter-secure:panel';
const SHOW = 'jupyter-secure:show';
const REFRESH = 'jupyter-secure:refresh';

/** Put a code cell below the active one and leave the cursor in it. */
function insertCell(tracker: INotebookTracker, source: string): void {
  const notebook = tracker.currentWidget?.content;
  if (!notebook?.model || notebook.model.readOnly) {
    return;
  }
  NotebookActions.insertBelow(notebook);
  NotebookActions.changeCellType(notebook, 'code');
  notebook.activeCell?.model.sharedModel.setSource(source);
  notebook.activate();
  notebook.mode = 'edit';
}

function addCommands(app: JupyterFrontEnd, panel: SecurePanel, model: PanelModel): void {
  app.commands.addCommand(SHOW, {
    label: 'Secure Data: show panel',
    icon: shieldIcon,
    execute: () => app.shell.activateById(panel.id)
  });
  app.commands.addCommand(REFRESH, {
    label: 'Secure Data: refresh',
    icon: refreshIcon,
    execute: () => model.refresh()
  });
}

async function applySettings(
  app: JupyterFrontEnd,
  registry: ISettingRegistry,
  model: PanelModel,
  forecasts: ForecastModel
): Promise<void> {
  const settings = await registry.load(ID);
  let timer: number | undefined;
  const read = (): void => {
    const seconds = Number(settings.get('refreshSeconds').composite);
    model.logEntries = Number(settings.get('logEntries').composite);
    forecasts.allow(settings.get('priceQuestions').composite === true);
    window.clearInterval(timer);
    timer = seconds > 0 ? window.setInterval(() => model.changed(null), seconds * 1000) : undefined;
  };
  settings.changed.connect(read);
  read();
  await app.restored;
  if (settings.get('openAtStart').composite === true) {
    await app.commands.execute(SHOW);
  }
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'The Secure Data sidebar.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ILayoutRestorer, ICommandPalette, ISettingRegistry, IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
    statusBar: IStatusBar | null
  ) => {
    const model = new PanelModel(connect(app.serviceManager.serverSettings));
    const forecasts = new ForecastModel(cell => askKernel(tracker.currentWidget?.sessionContext.session?.kernel, cell));
    const panel = new SecurePanel(model, forecasts, source => insertCell(tracker, source));
    app.shell.add(panel, 'right', { rank: 850, type: 'Secure Data' });
    restorer?.add(panel, panel.id);
    addCommands(app, panel, model);
    for (const command of [SHOW, REFRESH]) {
      palette?.addItem({ command, category: 'Secure Data' });
    }
    statusBar?.registerStatusItem(ID, {
      item: new GuardStatus(model, () => void app.commands.execute(SHOW)),
      align: 'left',
      rank: 4
    });
    followNotebook(app, tracker, model);
    followChanges(app, model);
    followQuestions(tracker, forecasts);
    if (registry) {
      void applySettings(app, registry, model, forecasts);
    }
  }
};

export default plugin;
