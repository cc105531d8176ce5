export default {
  compilerOptions: {
    runes: true,
    // A scope's name stands beside every element that it styles: short ones are a hundredth of the board.
    cssHash: ({ hash, filename, css }) => `s${hash(filename ?? css).slice(-4)}`,
    discloseVersion: false,
  },
};
