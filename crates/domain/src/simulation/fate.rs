//! What befalls nodes, connections and the database.

use std::rc::Rc;

use super::NODES;
use super::node::start;
use super::session::PATIENCE;
use super::world::World;

/// Brings down one misfortune after another.
pub(super) async fn strike(world: Rc<World>, misfortunes: u64) {
    for _ in 0..misfortunes {
        world.pause(world.random.below(900)).await;
        let number = world.random.index(NODES);
        let node = &world.nodes[number];
        match world.random.below(11) {
            0..5 => freeze(&world, number),
            5..7 => {
                node.crash(&world);
                start(&world, number, world.random.below(600));
            }
            7..9 => node.cut(&world, world.random.below(1_500)),
            9 => {
                world.note(|| "the database crashes".to_owned());
                world.epoch.set(world.epoch.get() + 1);
                let units = world.random.below(600);
                world.nodes.iter().for_each(|node| node.cut(&world, units));
                world.database.borrow_mut().release_all();
            }
            // For good.
            _ => node.crash(&world),
        }
    }
}

/// A node stands still, all of it, while its clock goes on.
fn freeze(world: &Rc<World>, number: usize) {
    let units = world.random.between(50, 3_500);
    world.note(|| format!("node {number}: stands still for {units}"));
    let node = &world.nodes[number];
    node.frozen_until.set(world.now() + units);
    if units > PATIENCE {
        let world_then = Rc::clone(world);
        let connection = node.connection.get();
        world.spawn(None, PATIENCE, async move {
            let node = &world_then.nodes[number];
            if node.connection.get() == connection {
                node.cut(&world_then, 0);
            }
        });
    }
}
