using Kvant.Gpu.Kernels;
using PtxKernels;

// Makes src/Kvant.Gpu/Kernels/Ready anew: the kernels of Kvant.Gpu for CUDA's driver, compiled by clang alone (Debian's clang-14; no toolkit of CUDA). Needed after a change of the kernels' text, of their
// macros or of ReadyShapes; a test says so. Fails where a work-item's array would lie in memory instead of registers, which costs a card dearly, and where what encodes would round otherwise than the processor.
// Prints what some of them take; with ptxas in the path (of a toolkit, from 11.8 on) also registers on compute capability 9.0, and fails where they do not suffice.
//
//   dotnet run -c Release --project eng/PtxKernels [FOLDER [SOURCE]]      FOLDER keeps the PTX; SOURCE: attention, tensors or encoding alone
string ready = Path.Combine("src", "Kvant.Gpu", "Kernels", "Ready"), folder = args.Length > 0 ? args[0] : Directory.CreateTempSubdirectory("kvant-ptx").FullName;
if (!File.Exists("Kvant.slnx"))
    throw new DirectoryNotFoundException("Run it where Kvant.slnx lies.");
Directory.CreateDirectory(folder);
var compiler = new Compiler(folder);
Compiled[] all = [.. ReadyShapes.All().Where(kernel => args.Length < 2 || kernel.Source.Name == args[1]).AsParallel().AsOrdered().Select(kernel => compiler.Compile(kernel.Source, kernel.Macros))];
foreach (Compiled one in all.Where(one => one.IsShown))
    Console.WriteLine(one.Summary);
string[] wrong = [.. all.Select(one => one.Wrong).OfType<string>()];
foreach (string reason in wrong)
    Console.Error.WriteLine(reason);
if (wrong.Length > 0)
    return 1;
(string Name, byte[] Packed)[] families =
    [.. all.GroupBy(one => ReadyKernels.FamilyOf(one.Source, one.Macros)).AsParallel().Select(family => (family.Key, ReadyKernels.Pack(family.First().Source, family.Select(one => (one.Macros, one.Text)))))];
Directory.CreateDirectory(ready);
foreach (string old in Directory.EnumerateFiles(ready, $"{(args.Length < 2 ? "" : args[1])}*"))
    File.Delete(old);
foreach ((string name, byte[] packed) in families)
    File.WriteAllBytes(Path.Combine(ready, name), packed);
Console.WriteLine($"{all.Length} programs, {all.Sum(one => (long)one.Text.Length)} bytes of PTX, packed {families.Sum(family => (long)family.Packed.Length)} in {families.Length} files; {compiler.Assembled}");
return 0;
