using Kvant.Memory;

namespace Kvant.Caching;

/// <summary>Memory that a layer will write to, taken before anything changes. Another cache may stop sharing a page meanwhile, so what was
/// decided is kept and not decided again.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Page">Which page of its body it is for, or -1 for the front.</param>
/// <param name="Step">Of which step.</param>
/// <param name="Memory">The memory.</param>
internal readonly record struct Reservation(LayerMemory Layer, int Page, int Step, NativePage Memory);
