using System.Security.Cryptography;
using Kvant.Caching;
using Kvant.OnnxRuntime.Graphs;

namespace Kvant.OnnxRuntime;

/// <summary>The files of a model.</summary>
internal static class ModelFiles
{
    /// <summary>What keys and values belong to: a hash of the graph's file and of those with its weights.</summary>
    public static CacheIdentity IdentityOf(string path)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        foreach (string file in (IEnumerable<string>)[path, .. OnnxModel.Open(path).OutsideFiles.Order(StringComparer.Ordinal).Select(Within)])
        {
            using FileStream stream = File.OpenRead(file);
            for (int read; (read = stream.Read(buffer)) > 0;)
                hash.AppendData(buffer, 0, read);
        }

        return new CacheIdentity { Weights = $"sha256:{Convert.ToHexStringLower(hash.GetHashAndReset())}", Positions = "as the graph has them", Note = "onnx" };

        string Within(string name) => !Path.IsPathRooted(name) && !name.Split('/', '\\').Contains("..") ? Path.Combine(folder, name)
            : throw new InvalidDataException($"{path}: weights are said to lie in '{name}', which is not in the model's folder.");
    }
}
