import { LabIcon } from '@jupyterlab/ui-components';

import shield from '../style/icons/shield.svg';

export const shieldIcon = new LabIcon({ name: 'jupyter-secure:shield', svgstr: shield });
