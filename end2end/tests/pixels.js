// @ts-check
// What is really painted, for what no property tells: shades, and colours that the system sets.

/**
 * How dark a row of pixels of an element is on average: 0 is white, 255 black.
 * @param {import("@playwright/test").Locator} locator
 * @param {number} row counted from the bottom where it is negative
 */
export async function darkness(locator, row) {
  const image = (await locator.screenshot()).toString("base64");
  const browser = locator.page().context().browser();
  const blank = await browser?.newPage();
  if (!blank) {
    throw new Error("the browser is gone");
  }
  const mean = await blank.evaluate(
    async ([png, at]) => {
      const bytes = Uint8Array.from(atob(String(png)), (c) => c.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes]));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
        canvas.getContext("2d")
      );
      context.drawImage(bitmap, 0, 0);
      const y = Number(at) < 0 ? bitmap.height + Number(at) : Number(at);
      const { data } = context.getImageData(0, y, bitmap.width, 1);
      let sum = 0;
      for (let i = 0; i < data.length; i += 4) {
        sum += 255 - (data[i] + data[i + 1] + data[i + 2]) / 3;
      }
      return sum / (data.length / 4);
    },
    [image, row],
  );
  await blank.close();
  return mean;
}
