using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>
/// The few integer operations that the tile kernels are written in, once, for registers of any width. A register is seen as
/// bytes, as 16-bit or as 32-bit integers, whatever the operation's name says.
/// </summary>
/// <typeparam name="TVector">The register type, of bytes.</typeparam>
internal unsafe interface ITileSimd<TVector>
    where TVector : struct
{
    /// <summary>Bytes of a register; a quarter of it are lanes of 32 bits.</summary>
    static abstract int Bytes { get; }

    static abstract TVector Zero { get; }

    static abstract TVector Load(byte* source);

    static abstract void Store(TVector value, byte* destination);

    /// <summary>The four bytes at an address, in every lane.</summary>
    static abstract TVector Broadcast(int* source);

    static abstract TVector BroadcastByte(byte value);

    /// <summary>Shifts lanes of 32 bits; bits of a neighboring byte come in from above, so use only what is masked or looked up.</summary>
    static abstract TVector ShiftRight(TVector value, int count);

    /// <summary>Shifts lanes of 32 bits.</summary>
    static abstract TVector ShiftLeft(TVector value, int count);

    static abstract TVector Or(TVector a, TVector b);

    static abstract TVector And(TVector a, TVector b);

    static abstract TVector Xor(TVector a, TVector b);

    /// <summary>Lanes of 32 bits, each one place up; the lowest is the highest of another register.</summary>
    static abstract TVector LanesUp(TVector value, TVector before);

    /// <summary>Bit by bit, a where the mask is set, else b.</summary>
    static abstract TVector Select(TVector mask, TVector a, TVector b);

    /// <summary>Makes indexes of the low four bits of each byte.</summary>
    static abstract TVector Index(TVector value);

    /// <summary>The table's entry at each index, from <see cref="Index"/> or below 16, or of several such, bit by bit. Tables come from <see cref="TileTable"/>.</summary>
    static abstract TVector Entry(TVector table, TVector index);

    /// <summary>The table's entry of each byte's low bits; higher bits change nothing.</summary>
    static abstract TVector LookUp(TVector table, TVector index);

    /// <summary>The same for the second field of <paramref name="bits"/> bits in each byte.</summary>
    static abstract TVector LookUpSecond(TVector table, TVector second, TVector index, int bits);

    /// <summary>Unsigned bytes of a times signed bytes of b, neighbors added: 16-bit integers. The caller sees to it that they fit.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b);

    /// <summary>Whether the next two are the way to multiply here: the processor adds up what it multiplies. Else it is <see cref="MultiplyAdd"/>, whose products are summed in 16 bits.</summary>
    static abstract bool AddsProducts { get; }

    /// <summary>sums, of 32 bits, plus the products of the bytes of each of four registers with those of a word of its own, the four of a lane added up: bytes of
    /// 0 to 127 with signed ones, as large as <see cref="TileTable.QueryLimit"/> allows.</summary>
    static abstract TVector AddProducts(TVector sums, int* words, TVector a, TVector b, TVector c, TVector d);

    /// <summary>The same for unsigned bytes, the words' as large as <see cref="TileTable.NeighborLimit"/> allows.</summary>
    static abstract TVector AddUnsignedProducts(TVector sums, int* words, TVector a, TVector b, TVector c, TVector d);

    static abstract TVector AddBytes(TVector a, TVector b);

    static abstract TVector AddShorts(TVector a, TVector b);

    /// <summary>Neighboring 16-bit integers added: 32-bit integers.</summary>
    static abstract TVector SumPairs(TVector shorts);

    static abstract TVector AddInts(TVector a, TVector b);

    /// <summary>destination[i] = (add ? destination[i] : 0) + (ints[i] + offset) * factor * scales[i], the scales in fp16.</summary>
    static abstract void StoreScaled(TVector ints, int offset, float factor, ushort* scales, float* destination, bool add);

    /// <summary>Numbers in fp16 as floats.</summary>
    static abstract TVector LoadHalves(ushort* source);

    /// <summary>As floats: numbers[i] * factors[i].</summary>
    static abstract TVector Scaled(float* numbers, TVector factors);

    static abstract void StoreFloats(TVector floats, float* destination);

    static abstract TVector AddFloats(TVector a, TVector b);

    /// <summary>Of each of four registers of floats the largest sum of two neighbors, the first of which has an even place.</summary>
    static abstract Vector128<float> LargestNeighbors(TVector a, TVector b, TVector c, TVector d);

    /// <summary>The sum of each of four registers of floats.</summary>
    static abstract Vector128<float> Sums(TVector a, TVector b, TVector c, TVector d);

    /// <summary>destination[i] = the whole part, a byte, of floats[i] * factor + carry[i]; returns what is behind the point.</summary>
    static abstract TVector StoreBytes(float* floats, float factor, TVector carry, byte* destination);

    /// <summary>floats + more * factor.</summary>
    static abstract TVector AddScaledFloats(TVector floats, TVector more, float factor);

    /// <summary>floats + ints * factor.</summary>
    static abstract TVector AddScaled(TVector floats, TVector ints, float factor);

    /// <summary>destination[i] += floats[i].</summary>
    static abstract void AddFloats(TVector floats, float* destination);
}
