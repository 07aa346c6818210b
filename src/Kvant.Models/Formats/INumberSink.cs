using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>What is done with the numbers of a row as they come out of their format, one after the other.</summary>
internal interface INumberSink
{
    /// <summary>The next 8 numbers.</summary>
    void Take(Vector256<float> numbers);

    /// <summary>The next number, where fewer than a register are left.</summary>
    void Take(float number);

    /// <summary>The next 32 numbers: code * scale + shift, with a scale of its own for the last 16.</summary>
    void Take(RunCodes codes, float scale, float lastScale, float shift);
}
