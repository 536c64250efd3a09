/** What a network looks at: maps, gates, Grad-CAM, and whether they find the object. */
export { lookInside, type Exposed, type Inside } from './exposed.js';
export { gradCam, lastFeatureMap } from './grad-cam.js';
export { energy, localise, pointing, type Localisation } from './localisation.js';
export { resizePlane, type Plane } from './plane.js';
export { enlargeImage, overlay, type Picture as DrawnPicture } from './picture.js';
export { views, type Place, type View, type Views, type ViewOptions } from './views.js';
export { look, type Look, type Looking } from './look.js';
export { ExportedModel, type ExportedModelOptions } from './exported-model.js';
export { localiseRun, type LocaliseOptions } from './localise.js';
export type { Explanation, LocalisationScore } from './explanation.js';
