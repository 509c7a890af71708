module.exports = () => globalThis.inMemoryKmsEndpoint.close();
