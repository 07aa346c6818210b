using System.Globalization;
using System.Numerics;
using Kvant.Gpu.Drivers;

namespace Kvant.Gpu.Kernels;

/// <summary>What a kernel is built for: how rows are stored, and how many queries a work-group takes.</summary>
/// <param name="Keys">How keys are stored.</param>
/// <param name="Values">How values are.</param>
/// <param name="UnitRows">Rows whose blocks of all heads lie side by side.</param>
/// <param name="Waves">Pairs of channels of a vector that all keys share and positions turn.</param>
/// <param name="Paged">Whether rows lie in pages; else in a ring.</param>
/// <param name="Group">The most query heads of a work-group.</param>
/// <param name="Tokens">The most tokens whose queries it takes.</param>
/// <param name="OnTensors">Whether matrix units compute; kernels are then the same for all numbers of queries.</param>
internal readonly record struct KernelShape(SideShape Keys, SideShape Values, int UnitRows, int Waves, bool Paged, int Group = 1, int Tokens = 1, bool OnTensors = false)
{
    // Queries of a work-group: what registers and the memory that its work-items share have room for.
    private const int MostQueries = 16;
    private const int MostQueryFloats = 2048;

    /// <summary>Floats of a query.</summary>
    public int QueryFloats => Keys.Dimension + (2 * Waves) + 1;

    /// <summary>Floats of a result: the sums, the largest logit, the sum of weights.</summary>
    public int ResultFloats => Values.Dimension + 2;

    /// <summary>Bytes of a head in a unit.</summary>
    public int HeadBytes => ValuesAt + Align(UnitRows / Values.BlockRows * Values.BlockBytes);

    /// <summary>Where in them values begin.</summary>
    public int ValuesAt => Align(UnitRows / Keys.BlockRows * Keys.BlockBytes);

    /// <summary>The macros that a kernel is built with.</summary>
    public string Macros => string.Create(
        CultureInfo.InvariantCulture, $"{Keys.Macros('K')} {Values.Macros('V')} -DUNIT_ROWS={UnitRows} -DWAVES={Waves} -DPAGED={(Paged ? 1 : 0)}{(OnTensors ? "" : $" -DGROUP={Group} -DTOKENS={Tokens}")}");

    /// <summary>The text of the kernels.</summary>
    public KernelSource Source => OnTensors ? KernelSource.OfTensors : KernelSource.OfAttention;

    /// <summary>Whether matrix units could compute: rows of 128 numbers at most, whose codes say more than rounding to halves loses.</summary>
    public bool FitsTensors => Paged && Keys.FitsTensors && Values.FitsTensors && Waves % 8 == 0;

    /// <summary>The same for queries of a layer: few kernels for all numbers of them, one of each small group for tokens that come one by one, and others that take many tokens.</summary>
    /// <param name="group">Query heads that share a key-value head.</param>
    /// <param name="tokens">Tokens that ask.</param>
    public KernelShape For(int group, int tokens)
    {
        int queries = Math.Clamp(MostQueryFloats / Math.Max(Keys.Dimension, Values.Dimension), 1, MostQueries), parts = (group + queries - 1) / queries;
        int members = (group + parts - 1) / parts;
        if (tokens > 1 || members > MostQueries / 2)
            members = Math.Min(queries, (int)BitOperations.RoundUpToPowerOf2((uint)members));
        return this with { Group = members, Tokens = tokens == 1 ? 1 : Math.Max(1, queries / members) };
    }

    /// <summary>The same on matrix units, for queries of a layer.</summary>
    /// <param name="group">Query heads that share a key-value head.</param>
    public KernelShape ForTensors(int group)
    {
        int members = Math.Min(group, MostQueries);
        return this with { Group = members, Tokens = MostQueries / members, OnTensors = true };
    }

    // Rows of floats begin where floats may, tiles where four words may be read at once.
    private int Align(int bytes) => UnitRows == 1 ? (bytes + 3) / 4 * 4 : (bytes + 15) / 16 * 16;
}
