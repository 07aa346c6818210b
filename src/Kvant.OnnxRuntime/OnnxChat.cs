using Kvant.Chat;
using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;
using Microsoft.Extensions.Logging;

namespace Kvant.OnnxRuntime;

/// <summary>An exported decoder behind <c>IChatClient</c>, with all that <see cref="KvantChatClient"/> does: templates, sampling, many requests at once, beginnings that are shared, conversations that are stored.</summary>
public static class OnnxChat
{
    extension(OnnxDecoder decoder)
    {
        /// <summary>Answers requests with this decoder.</summary>
        /// <param name="options">How. <see cref="KvantChatOptions.Model"/> is a GGUF file of the same model, of which the tokenizer, the chat template and the length of the context are read; its weights are not. Threads and
        /// arithmetic are the decoder's matter.</param>
        /// <param name="logger">Hears of every request; null for nobody.</param>
        /// <returns>A client; dispose it before the decoder, which stays the caller's.</returns>
        /// <exception cref="InvalidDataException">The file is no GGUF file, or says of no known family how a conversation is written.</exception>
        /// <exception cref="ArgumentException">The file's vocabulary is not the model's, the policy does not fit, or a store is given and the decoder does not know its model's files.</exception>
        /// <exception cref="IOException">The file cannot be read.</exception>
        public KvantChatClient AsChatClient(KvantChatOptions options, ILogger<KvantChatClient>? logger = null)
        {
            ArgumentNullException.ThrowIfNull(decoder);
            ArgumentNullException.ThrowIfNull(options);
            using GgufFile file = GgufFile.Open(options.Model);
            int tokens = Tokenizer.Read(file).Count;
            if (tokens != decoder.VocabularySize)
                throw new ArgumentException($"{options.Model} has {tokens} tokens, the ONNX model {decoder.VocabularySize}: they are not the same model.", nameof(options));
            int context = file.Value($"{file.Value("general.architecture").AsText()}.context_length").AsCount();
            return new KvantChatClient(options, new TextEngine(options, new OnnxChatModel(decoder, context), file, needsTemplate: true, logger), logger);
        }
    }
}
